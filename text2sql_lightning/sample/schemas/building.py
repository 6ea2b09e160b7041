"""Schemas about buildings and building sites."""

from typing import Final

from text2sql_lightning.sample.domain import Domain, count, domain, flag, label, mix, number, ref, table, text, year
from text2sql_lightning.sample.pools import CITIES, COUNTRIES, PEOPLE

DOMAINS: Final[tuple[Domain, ...]] = (
    domain(
        "building_sites",
        table(
            "builder",
            label("name", mix("Adler|Bauer|Conti|Dahl|Ferrari", "Construction|Group|Sons|Works")),
            text("city", CITIES, "from"),
            count("workers", 4, 900),
        ),
        table(
            "building",
            label("name", mix("Harbor|Station|School|Garden|Union", "House|Tower|Hall|Center|Court")),
            text("status", "finished|planned|started"),
            number("cost", 40000, 900000, sums=True),
            number("height", 8, 240),
            ref("builder"),
        ),
    ),
    domain(
        "bridges",
        table(
            "bridge",
            label("name", mix("Iron|Old|Liberty|Queen|Grand|Stone", "Bridge|Crossing|Viaduct|Span|Arch|Link")),
            text("type", "arch|beam|suspension"),
            text("country", COUNTRIES, "in"),
            number("length", 40, 3900, "in metres", sums=True),
            year("year", 1850, 2023),
            number("toll", 1, 20, nulls=0.4),
        ),
    ),
    domain(
        "towers",
        table("architect", label("name", PEOPLE), text("country", COUNTRIES, "from"), count("prizes", 0, 15)),
        table(
            "tower",
            label("name", mix("Atlas|Crystal|Empire|Horizon|Jade|Summit", "Plaza|Spire|Point|Heights|Square")),
            text("city", "Chicago|Dubai|New York|Shanghai|Tokyo", "in"),
            number("height", 150, 830, "in metres"),
            count("floors", 30, 165),
            ref("architect"),
        ),
    ),
    domain(
        "lighthouses",
        table(
            "lighthouse",
            label("name", mix("Gull|Seal|Storm|Anchor|Whale|Raven", "Point|Rock|Head|Island|Cliff|Reef")),
            text("country", COUNTRIES, "in"),
            text("material", "brick|iron|stone|wood"),
            number("height", 8, 72, "in metres"),
            year("year", 1780, 1960),
            flag("active"),
        ),
    ),
    domain(
        "castles",
        table(
            "castle",
            label("name", mix("Falcon|Wolf|Dragon|Raven|Lion", "Rock|Stone|Keep|Burg|Watch")),
            text("country", COUNTRIES, "in"),
            text("style", "Baroque|Gothic|Norman"),
            year("year", 1100, 1800),
            count("rooms", 10, 400),
            number("price", 3, 40),
        ),
    ),
    domain(
        "storage",
        table(
            "storehouse",
            label("name", mix("North|South|Harbor|Central|Airport", "Depot|Store|Hub|Yard")),
            text("city", CITIES, "in"),
            number("capacity", 100, 9000, sums=True),
        ),
        table(
            "box",
            text("content", "books|clothes|dishes|tools"),
            text("color", "blue|brown|green|red"),
            number("weight", 1, 60, "in kg", sums=True),
            number("value", 10, 900, sums=True),
            ref("storehouse"),
        ),
    ),
)
