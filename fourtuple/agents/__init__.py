"""The programs in the containers. They import `fourtuple.net` and the standard library, nothing else."""
