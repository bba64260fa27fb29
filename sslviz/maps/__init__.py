"""Where does an encoder look, and what does it answer to?  (Checkpoint, Images) -> maps, each beside its control."""
