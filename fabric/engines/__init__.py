"""Engine: how long transfers take that share links; max-min fair rates, for any traffic."""
