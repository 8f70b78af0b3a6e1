"""
The four steps of batch normalization
=====================================
"""

print("trial")
