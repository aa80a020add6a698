//! The gateway between AI agents and the stores that they ask for data.
