"""The node connector: the lab as a node of VCP main servers."""
