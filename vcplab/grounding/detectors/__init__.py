"""Detectors of hallucinations behind one protocol (`vcplab.protocol.ports.Detector`)."""
