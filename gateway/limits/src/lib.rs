//! Rate and volume limits, in process.
