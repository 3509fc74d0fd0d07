"""Chat models: any compatible endpoint, scripts, recordings, and what the calls cost."""
