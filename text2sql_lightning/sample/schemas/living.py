"""Schemas about animals and plants."""

from typing import Final

from text2sql_lightning.sample.domain import Domain, date, domain, flag, label, mix, names, number, ref, table, text
from text2sql_lightning.sample.pools import CITIES, COUNTRIES, PEOPLE

DOMAINS: Final[tuple[Domain, ...]] = (
    domain(
        "zoo",
        table("keeper", label("name", PEOPLE), number("age", 20, 65), text("city", CITIES, "in")),
        table(
            "animal",
            label(
                "name",
                names(
                    "Aki|Bruno|Coco|Duke|Ella|Fargo|Gina|Hoss|Indy|Kiki|Leo|Mara|Nala|Otis|Pip|Rex|Simba|Tiku|Uma|Vito|Wanda|Xena|Yuma|Zuri|Bela|Dara|Enzo|Fips|Gala|Hera"
                ),
            ),
            text("species", "bear|giraffe|lion|otter|penguin|zebra"),
            number("age", 1, 30),
            number("weight", 3, 900, "in kg"),
            ref("keeper"),
        ),
    ),
    domain(
        "pet_clinic",
        table(
            "pet",
            label(
                "name",
                names(
                    "Apollo|Bella|Cleo|Daisy|Echo|Felix|Ginger|Honey|Iris|Jasper|Kira|Luna|Milo|Nero|Oscar|Pepper|Ruby|Shadow|Toby|Willow"
                ),
            ),
            text("type", "cat|dog|hamster|parrot|rabbit"),
            number("weight", 1, 45),
        ),
        table(
            "treatment",
            text("category", "checkup|dental|surgery|vaccination"),
            number("cost", 25, 900, sums=True),
            date("treatment_date", 2022, 2024),
            ref("pet"),
        ),
    ),
    domain(
        "garden",
        table(
            "plant",
            label("name", mix("Mountain|Swamp|Silver|Creeping|Royal|Giant", "Lily|Fern|Rose|Orchid|Sage|Thistle")),
            text("color", "blue|pink|red|white|yellow"),
            text("country", COUNTRIES, "from"),
            number("height", 5, 320, "in cm"),
            number("price", 2, 90),
            flag("endangered"),
        ),
    ),
    domain(
        "aquarium",
        table(
            "tank",
            label("name", mix("Coral|Deep|Shallow|Polar|Kelp", "Pool|Basin|Reef|Lagoon")),
            number("volume", 200, 90000, "in litres"),
            number("temperature", 4, 29),
        ),
        table(
            "fish",
            label(
                "name",
                names(
                    "Nemo|Bubbles|Finn|Goldie|Splash|Pearl|Flash|Comet|Ripple|Ziggy|Sushi|Coral|Marlin|Dory|Jaws|Blue|Spike|Sunny|Captain|Neptune|Salty|Misty|Bandit|Domino"
                ),
            ),
            text("species", "clownfish|eel|ray|seahorse|turtle"),
            number("length", 2, 210, "in cm"),
            ref("tank"),
        ),
    ),
    domain(
        "birds",
        table(
            "bird",
            label("name", mix("Red|Marsh|Snow|Forest|Little", "Owl|Heron|Falcon|Warbler|Finch|Plover")),
            text("habitat", "coast|forest|grassland|wetland"),
            text("color", "black|brown|gray|white"),
            number("weight", 10, 6000, "in grams"),
            number("length", 9, 150),
            text("status", "common|rare|threatened", nulls=0.25),
        ),
    ),
    domain(
        "horses",
        table(
            "stable",
            label("name", mix("Green|High|Old|Spring|West", "Field|Hill|Meadow|Gate")),
            text("city", CITIES, "in"),
            number("capacity", 4, 80),
        ),
        table(
            "horse",
            label(
                "name",
                names(
                    "Blaze|Comet|Duchess|Ember|Flicka|Ghost|Hazel|Jazz|Karma|Lucky|Maple|Nova|Onyx|Prince|Rocket|Saddle|Thunder|Victor|Whisper|Zephyr"
                ),
            ),
            text("color", "black|brown|gray|white"),
            number("age", 2, 28),
            number("price", 900, 60000, sums=True),
            ref("stable"),
        ),
    ),
)
