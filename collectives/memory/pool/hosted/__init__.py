"""A pool of processes of one host: a controller, servers, and clients that map their memory."""
