"""Training configs as data: text in, runs with located values out. Nothing here executes what it reads."""
