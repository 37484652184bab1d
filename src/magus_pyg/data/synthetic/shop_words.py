"""The words of the synthetic catalogue: departments with their categories, kinds and attributes; brands; searches."""

# department -> category -> kinds
TREE: dict[str, dict[str, tuple[str, ...]]] = {
    "clothing": {
        "tops": ("t-shirt", "blouse", "hoodie", "cardigan"),
        "bottoms": ("jeans", "shorts", "skirt", "leggings"),
        "outerwear": ("parka", "raincoat", "bomber jacket", "vest"),
        "footwear": ("sneakers", "sandals", "hiking boots", "loafers"),
    },
    "electronics": {
        "computers": ("laptop", "tablet", "monitor", "keyboard"),
        "audio": ("headphones", "bluetooth speaker", "turntable", "microphone"),
        "phones": ("smartphone", "phone case", "charger", "power bank"),
        "photography": ("camera", "tripod", "lens", "drone"),
    },
    "home": {
        "kitchen": ("saucepan", "kettle", "chef knife", "blender"),
        "bedroom": ("duvet", "pillow", "mattress", "bedside table"),
        "living room": ("sofa", "bookshelf", "coffee table", "rug"),
        "lighting": ("desk lamp", "floor lamp", "lantern", "string lights"),
    },
    "sports": {
        "fitness": ("dumbbells", "yoga mat", "kettlebell", "skipping rope"),
        "cycling": ("road bike", "bike helmet", "bike lock", "bike pump"),
        "camping": ("tent", "sleeping bag", "camp stove", "headlamp"),
        "racket games": ("tennis racket", "shuttlecocks", "table tennis bat", "squash balls"),
    },
    "beauty": {
        "skin care": ("moisturizer", "sunscreen", "face mask", "cleanser"),
        "make-up": ("lipstick", "mascara", "foundation", "eyeliner"),
        "hair care": ("shampoo", "conditioner", "hair oil", "hair dryer"),
        "fragrance": ("perfume", "cologne", "body mist", "scented candle"),
    },
    "toys": {
        "games": ("board game", "card game", "chess set", "dice set"),
        "building": ("brick set", "train set", "marble run", "model kit"),
        "dolls": ("fashion doll", "doll house", "teddy bear", "hand puppet"),
        "outdoor play": ("kite", "scooter", "water blaster", "sandbox"),
    },
}

# department -> (field, values): the attribute that an item of this department may have
ATTRIBUTES: dict[str, tuple[str, tuple[str, ...]]] = {
    "clothing": ("colour", ("black", "white", "navy", "red", "olive", "beige")),
    "electronics": ("style", ("compact", "wireless", "gaming", "professional", "refurbished")),
    "home": ("material", ("oak", "steel", "cotton", "ceramic", "glass", "bamboo")),
    "sports": ("style", ("beginner", "lightweight", "competition", "foldable", "outdoor")),
    "beauty": ("style", ("organic", "fragrance-free", "vegan", "travel size", "sensitive")),
    "toys": ("material", ("wood", "plush", "plastic", "cardboard", "magnetic")),
}
ATTRIBUTE_FIELDS: tuple[str, ...] = ("colour", "material", "style")

PRICES: tuple[str, ...] = ("budget", "mid-range", "premium", "luxury")

_FIRST = (
    "Alder", "Bright", "Cedar", "Dover", "Ember", "Fjord", "Grand", "Harbor", "Iron", "Juniper", "Kestrel", "Lumen",
    "Maple", "Nordic", "Orchard", "Pine", "Quarry", "River", "Silver", "Thistle",
)  # fmt: skip
_SECOND = (
    "field", "works", "line", "ridge", "craft", "mark", "stone", "well", "wick", "haven", "gate", "spring", "crest",
    "dale", "port", "view", "land", "wood", "brook", "ford",
)  # fmt: skip

# In titles only: they are no words.
SERIES: tuple[str, ...] = (
    "Aurora", "Beacon", "Cascade", "Drift", "Echo", "Falcon", "Glacier", "Horizon", "Indigo", "Jubilee", "Karma",
    "Lagoon", "Meridian", "Nova", "Orbit", "Prism", "Quest", "Ripple", "Summit", "Tempo", "Umbra", "Velvet", "Willow",
    "Zenith",
)  # fmt: skip

# In searches only: no item has them.
UNKNOWN_WORDS: tuple[str, ...] = ("gift", "cheap", "best seller", "second hand", "near me", "next day", "clearance")

SHOP_AGES: tuple[str, ...] = ("18-24", "25-34", "35-44", "45-54", "55+")
REGIONS: tuple[str, ...] = ("north", "south", "east", "west")


def brand_names(count: int) -> list[str]:
    """`count` distinct names: all 400 pairs of two halves, then numbered ones."""
    names = []
    for number in range(count):
        series, pair = divmod(number, len(_FIRST) * len(_SECOND))
        # Neighbours differ in both halves; each block of 20 meets every first half with another second half.
        block, first = divmod(pair, len(_FIRST))
        name = _FIRST[first] + _SECOND[(first + block) % len(_SECOND)]
        names.append(f"{name} {series + 1}" if series else name)
    return names
