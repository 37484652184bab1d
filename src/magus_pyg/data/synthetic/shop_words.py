"""The words of the synthetic shop: shelves with their kinds, usual prices and attributes; invented brands; searches."""

from dataclasses import dataclass

__all__ = [
    "ATTRIBUTE_FIELDS",
    "PRICE_BANDS",
    "REGIONS",
    "SERIES",
    "SHELVES",
    "SHOP_AGES",
    "UNKNOWN_WORDS",
    "Shelf",
    "brand_names",
]


@dataclass(frozen=True)
class Shelf:
    """What stands together in the shop; every value of an attribute goes with every kind.

    Attributes:
        department, category: the shelf.
        kinds: kind -> its usual price.
        attributes: field -> values.
    """

    department: str
    category: str
    kinds: dict[str, float]
    attributes: dict[str, tuple[str, ...]]


_COLOURS = ("black", "white", "navy", "red", "olive", "beige")
_HOME_COLOURS = ("white", "black", "beige", "sage green")
_MAKING = ("handmade", "fair trade")

SHELVES: tuple[Shelf, ...] = (
    Shelf(
        "groceries", "cold drinks",
        {"oat drink": 2.0, "orange juice": 2.8, "ginger ale": 1.8, "lemonade": 1.6},
        {"trait": ("organic", "no added sugar", "family pack")},
    ),
    Shelf(
        "groceries", "hot drinks",
        {"ground coffee": 6.0, "green tea": 3.4, "black tea": 3.0, "cocoa": 4.0},
        {"trait": ("organic", "fair trade", "family pack")},
    ),
    Shelf(
        "groceries", "dairy",
        {"yoghurt": 1.6, "cheddar": 3.8, "butter": 2.6, "cream cheese": 2.2},
        {"trait": ("organic", "lactose-free", "family pack")},
    ),
    Shelf(
        "groceries", "bakery",
        {"rye bread": 3.0, "bagels": 2.4, "crackers": 1.9, "oat biscuits": 2.3},
        {"trait": ("organic", "wholegrain", "vegan")},
    ),
    Shelf(
        "groceries", "pantry",
        {"spaghetti": 1.7, "couscous": 2.1, "muesli": 3.6, "rice": 2.7},
        {"trait": ("organic", "wholegrain", "family pack")},
    ),
    Shelf(
        "groceries", "snacks",
        {"dark chocolate": 2.5, "dried mango": 3.9, "cashew nuts": 4.6, "muesli bars": 3.1},
        {"trait": ("organic", "fair trade", "vegan")},
    ),
    Shelf(
        "clothing", "tops",
        {"t-shirt": 19.0, "shirt": 39.0, "jumper": 55.0, "cardigan": 59.0},
        {"material": ("cotton", "linen", "wool"), "colour": _COLOURS, "trait": _MAKING},
    ),
    Shelf(
        "clothing", "bottoms",
        {"trousers": 49.0, "shorts": 29.0, "skirt": 39.0, "culottes": 45.0},
        {"material": ("cotton", "linen", "wool"), "colour": _COLOURS, "trait": _MAKING},
    ),
    Shelf(
        "clothing", "outerwear",
        {"coat": 129.0, "jacket": 99.0, "vest": 59.0, "poncho": 69.0},
        {"material": ("wool", "cotton", "recycled polyester"), "colour": _COLOURS, "trait": _MAKING},
    ),
    Shelf(
        "clothing", "footwear",
        {"sneakers": 79.0, "sandals": 55.0, "boots": 119.0, "loafers": 95.0},
        {"material": ("leather", "canvas", "suede"), "colour": _COLOURS, "trait": _MAKING},
    ),
    Shelf(
        "clothing", "accessories",
        {"scarf": 25.0, "beanie": 19.0, "gloves": 22.0, "socks": 9.0},
        {"material": ("wool", "cotton", "cashmere"), "colour": _COLOURS, "trait": _MAKING},
    ),
    Shelf(
        "clothing", "nightwear",
        {"pyjamas": 42.0, "dressing gown": 58.0, "nightshirt": 35.0, "slippers": 28.0},
        {"material": ("cotton", "flannel", "wool"), "colour": _COLOURS, "trait": _MAKING},
    ),
    Shelf(
        "household", "cookware",
        {"saucepan": 39.0, "casserole": 65.0, "kettle": 35.0, "baking dish": 24.0},
        {"material": ("steel", "cast iron", "enamel"), "colour": _HOME_COLOURS},
    ),
    Shelf(
        "household", "tableware",
        {"plates": 32.0, "bowls": 26.0, "mugs": 18.0, "serving dish": 29.0},
        {"material": ("stoneware", "porcelain", "bamboo"), "colour": _HOME_COLOURS, "trait": _MAKING},
    ),
    Shelf(
        "household", "bedding",
        {"duvet cover": 69.0, "pillowcase": 19.0, "blanket": 49.0, "fitted sheet": 35.0},
        {"material": ("cotton", "linen", "flannel"), "colour": _HOME_COLOURS, "trait": _MAKING},
    ),
    Shelf(
        "household", "lighting",
        {"table lamp": 45.0, "floor lamp": 89.0, "wall lamp": 39.0, "pendant lamp": 65.0},
        {"material": ("brass", "glass", "bamboo"), "colour": _HOME_COLOURS},
    ),
    Shelf(
        "household", "furniture",
        {"side table": 79.0, "bookshelf": 139.0, "stool": 49.0, "bench": 119.0},
        {"material": ("oak", "pine", "steel"), "colour": _HOME_COLOURS, "trait": _MAKING},
    ),
    Shelf(
        "household", "storage",
        {"basket": 22.0, "storage box": 18.0, "laundry hamper": 34.0, "tray": 16.0},
        {"material": ("bamboo", "wicker", "pine"), "colour": _HOME_COLOURS, "trait": _MAKING},
    ),
)  # fmt: skip
"""As many shelves a department, and as many kinds a shelf."""

ATTRIBUTE_FIELDS: tuple[str, ...] = ("trait", "colour", "material")
"""In the order in which a title names them: "handmade navy wool cardigan"."""

PRICE_BANDS: dict[str, float] = {"budget": 0.7, "mid-range": 1.0, "premium": 1.7}
"""Band -> factor on the usual price of a kind: what is dear for tea is cheap for a coat."""

_FIRST = (
    "Alvo", "Brin", "Cala", "Dovi", "Esta", "Fenna", "Gral", "Hesti", "Ilmo", "Jora", "Kesta", "Lundi", "Mirva", "Nolu",
    "Orvi", "Pela", "Quen", "Rusta", "Solvi", "Tamba",
)  # fmt: skip
_SECOND = (
    "ren", "mora", "lund", "vik", "sel", "tano", "dall", "brix", "nell", "wick", "gard", "loma", "fin", "rup", "sten",
    "vale", "mond", "bray", "kett", "noor",
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
    """`count` distinct invented names: all 400 pairs of two halves, then numbered ones."""
    names = []
    for number in range(count):
        series, pair = divmod(number, len(_FIRST) * len(_SECOND))
        # Neighbours differ in both halves; each block of 20 meets every first half with another second half.
        block, first = divmod(pair, len(_FIRST))
        name = _FIRST[first] + _SECOND[(first + block) % len(_SECOND)]
        names.append(f"{name} {series + 1}" if series else name)
    return names
