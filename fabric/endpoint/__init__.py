"""What software costs at the two ends of a transfer: one set of constants a software stack."""
