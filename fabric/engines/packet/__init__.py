"""The engine that sends packets over physical links, with queues and credits."""
