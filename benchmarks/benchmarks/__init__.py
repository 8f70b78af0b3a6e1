"""The asv suite of fastbn.

In each list of parameters the first value is the smallest: the tests run every benchmark with those.
"""
