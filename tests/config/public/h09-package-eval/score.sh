python -m supcon_tools.metrics --input runs/a.csv --batch_size 64
