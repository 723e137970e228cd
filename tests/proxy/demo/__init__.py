"""Tests of proxy.demo."""
