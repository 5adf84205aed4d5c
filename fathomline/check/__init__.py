"""What will stop or surprise a run of the pipeline, told before it starts."""
