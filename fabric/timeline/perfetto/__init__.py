"""Traces in the Trace Event Format, which ui.perfetto.dev and chrome://tracing open."""
