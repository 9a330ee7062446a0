"""What is not mathematics: threads, the kernel cache, processes and their signs of life, logs, exit codes."""
