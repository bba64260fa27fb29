"""Where does an encoder look, and what in the picture does it answer to?  (Checkpoint, Images) -> maps, each beside its control."""
