"""What an operator sees of a running gateway, and what stands before its routes: health, metrics, spans, proxies."""
