"""Pipeline 1: the HTTP service that Centrifugo calls, in the order a request travels."""
