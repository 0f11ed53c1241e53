"""The image suites: standard files, views, the fast front end of fixed patch features, and ResNets."""
