"""What is told of a run that was judged: for people, for programs, for CI. Pure."""
