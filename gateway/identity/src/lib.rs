//! Agents, sessions and minters: who is asking.
