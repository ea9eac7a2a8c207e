"""Side effects: the engine, containers, the living scene, recording a run and clearing it away."""
