from ssem_advisor.cli import main

main()
