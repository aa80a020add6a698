//! The text form of row filters, as mount files write them.
