"""The programs in the containers. They import `labs.net` and the standard library, nothing else."""
