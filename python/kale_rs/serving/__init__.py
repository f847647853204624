"""Models as services: `start.py` is `kale_rs.serve`, `service.py` what it gives, `wire.py` what is said over HTTP.

What goes into a bundle is `kale_runtime.packing`; the server is `rust/kale_serve`.
"""
