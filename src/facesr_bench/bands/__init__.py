"""Convergence bands: does a method still learn as it did when its curves were recorded?"""
