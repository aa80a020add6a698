//! The values that the specification lists, and words for comments.

/// Region names, by key.
pub(super) const REGIONS: [&str; 5] = ["AFRICA", "AMERICA", "ASIA", "EUROPE", "MIDDLE EAST"];

/// Nation names and regions, by key.
pub(super) const NATIONS: [(&str, i64); 25] = [
    ("ALGERIA", 0),
    ("ARGENTINA", 1),
    ("BRAZIL", 1),
    ("CANADA", 1),
    ("EGYPT", 4),
    ("ETHIOPIA", 0),
    ("FRANCE", 3),
    ("GERMANY", 3),
    ("INDIA", 2),
    ("INDONESIA", 2),
    ("IRAN", 4),
    ("IRAQ", 4),
    ("JAPAN", 2),
    ("JORDAN", 4),
    ("KENYA", 0),
    ("MOROCCO", 0),
    ("MOZAMBIQUE", 0),
    ("PERU", 1),
    ("CHINA", 2),
    ("ROMANIA", 3),
    ("SAUDI ARABIA", 4),
    ("VIETNAM", 2),
    ("RUSSIA", 3),
    ("UNITED KINGDOM", 3),
    ("UNITED STATES", 1),
];

pub(super) const SEGMENTS: [&str; 5] = ["AUTOMOBILE", "BUILDING", "FURNITURE", "HOUSEHOLD", "MACHINERY"];
pub(super) const PRIORITIES: [&str; 5] = ["1-URGENT", "2-HIGH", "3-MEDIUM", "4-NOT SPECIFIED", "5-LOW"];
pub(super) const INSTRUCTIONS: [&str; 4] = ["COLLECT COD", "DELIVER IN PERSON", "NONE", "TAKE BACK RETURN"];
pub(super) const MODES: [&str; 7] = ["AIR", "FOB", "MAIL", "RAIL", "REG AIR", "SHIP", "TRUCK"];
pub(super) const TYPES: [&[&str]; 3] = [
    &["ECONOMY", "LARGE", "MEDIUM", "PROMO", "SMALL", "STANDARD"],
    &["ANODIZED", "BRUSHED", "BURNISHED", "PLATED", "POLISHED"],
    &["BRASS", "COPPER", "NICKEL", "STEEL", "TIN"],
];
pub(super) const CONTAINERS: [&[&str]; 2] =
    [&["JUMBO", "LG", "MED", "SM", "WRAP"], &["BAG", "BOX", "CAN", "CASE", "DRUM", "JAR", "PACK", "PKG"]];

/// Words of part names; `green` and `forest` are looked for.
pub(super) const COLOURS: [&str; 40] = [
    "almond",
    "antique",
    "azure",
    "beige",
    "black",
    "blue",
    "brown",
    "chiffon",
    "chocolate",
    "coral",
    "cornsilk",
    "cream",
    "cyan",
    "dark",
    "drab",
    "firebrick",
    "forest",
    "ghost",
    "gold",
    "green",
    "grey",
    "honeydew",
    "indian",
    "ivory",
    "khaki",
    "lace",
    "lemon",
    "lime",
    "linen",
    "magenta",
    "mint",
    "navy",
    "olive",
    "orchid",
    "peach",
    "plum",
    "red",
    "salmon",
    "sienna",
    "yellow",
];

/// Words of comments; `special … requests` comes up by itself.
pub(super) const COMMENT: [&str; 24] = [
    "accounts",
    "across",
    "blithely",
    "bold",
    "carefully",
    "deposits",
    "express",
    "final",
    "foxes",
    "furiously",
    "instructions",
    "ironic",
    "nag",
    "packages",
    "pending",
    "pinto beans",
    "quickly",
    "regular",
    "requests",
    "silent",
    "sleep",
    "special",
    "theodolites",
    "unusual",
];
