"""Of torch_npu's contributions, `transfer_to_npu`."""
