"""What `run.py` measures and checks on a GPU, a module for each part; each part runs in a process of its own."""
