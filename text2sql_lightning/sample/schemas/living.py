"""Schemas about animals and plants."""

from typing import Final

from text2sql_lightning.sample.domain import (
    Domain,
    date,
    domain,
    flag,
    key,
    label,
    mix,
    names,
    number,
    ref,
    table,
    text,
    year,
)
from text2sql_lightning.sample.pools import COUNTRIES, PEOPLE

DOMAINS: Final[tuple[Domain, ...]] = (
    domain(
        "zoo",
        table(
            "enclosure",
            "enclosure",
            key("enclosure_id"),
            label("name", mix("North|South|River|Palm|Rock", "House|Garden|Valley|Hall")),
            text("climate", "arctic|desert|forest|tropical"),
            number("area", 60, 5000, unit="square metres", most="largest", least="smallest"),
        ),
        table(
            "animal",
            "animal",
            key("animal_id"),
            label(
                "name",
                names(
                    "Aki|Bruno|Coco|Duke|Ella|Fargo|Gina|Hoss|Indy|Jola|Kiki|Leo|Mara|Nala|Otis|Pip|Quila|Rex|Simba|Tiku|Uma|Vito|Wanda|Xena|Yuma|Zuri|Bela|Dara|Enzo|Fips|Gala|Hera"
                ),
            ),
            text("species", "bear|giraffe|lion|otter|penguin|zebra"),
            number("age", 1, 30, most="oldest", least="youngest", over="older than {}", under="younger than {}"),
            number(
                "weight",
                3,
                900,
                unit="kg",
                most="heaviest",
                least="lightest",
                over="heavier than {}",
                under="lighter than {}",
            ),
            ref("enclosure_id", "enclosure", "living in"),
        ),
        fk_clause=True,
    ),
    domain(
        "pet_clinic",
        table(
            "pet_owner",
            "owner",
            key("owner_id"),
            label("name", PEOPLE, person=True),
            text("city", "Albany|Boston|Denver|Miami|Seattle", says="from {}"),
        ),
        table(
            "pet",
            "pet",
            key("pet_id"),
            label(
                "pet_name",
                names(
                    "Apollo|Bella|Cleo|Daisy|Echo|Felix|Ginger|Honey|Iris|Jasper|Kira|Luna|Milo|Nero|Oscar|Pepper|Ruby|Shadow|Toby|Willow"
                ),
                "name",
            ),
            text("species", "cat|dog|hamster|parrot|rabbit"),
            number("weight", 0.1, 45, digits=1, unit="kg", most="heaviest", least="lightest"),
            ref("owner_id", "pet_owner", "owned by"),
        ),
        table(
            "treatment",
            "treatment",
            key("treatment_id"),
            ref("pet_id", "pet", "given to"),
            text("kind", "checkup|dental|surgery|vaccination"),
            number("cost", 25, 900, sums=True, most="most expensive", least="cheapest"),
            date("treated_on", "2022-01-01", "2024-12-31", "treatment date", verb="given"),
        ),
    ),
    domain(
        "botanical_garden",
        table(
            "plant",
            "plant",
            key("plant_id"),
            label(
                "common_name",
                mix("Mountain|Swamp|Silver|Creeping|Royal|Giant", "Lily|Fern|Rose|Orchid|Sage|Thistle"),
                "common name",
            ),
            text("family", "Asteraceae|Fabaceae|Lamiaceae|Rosaceae"),
            text("flower_color", "blue|pink|red|white|yellow", "flower color"),
            number("height_cm", 5, 320, "height", unit="cm", most="tallest", least="shortest"),
            text("origin", COUNTRIES, says="from {}"),
            date("planted", "2005-01-01", "2023-12-31", "planting date", verb="planted"),
            flag("endangered", "endangered", "non-endangered"),
        ),
    ),
    domain(
        "aquarium",
        table(
            "tank",
            "tank",
            key("tank_id"),
            label("tank_name", mix("Coral|Deep|Shallow|Polar|Kelp", "Pool|Basin|Reef|Lagoon"), "name"),
            number("volume", 200, 90000, unit="litres", most="largest", least="smallest"),
            number("temperature", 4, 29, digits=1, most="warmest", least="coldest"),
            flag("saltwater", "saltwater", "freshwater"),
        ),
        table(
            "sea_creature",
            "creature",
            key("creature_id"),
            ref("tank_id", "tank", "kept in"),
            text("species", "clownfish|eel|jellyfish|ray|seahorse|turtle"),
            number("length_cm", 2, 210, "length", unit="cm", most="longest", least="shortest"),
            text("diet", "algae|plankton|shrimp|squid"),
            year("acquired", 2005, 2024, "acquisition year", verb="acquired"),
        ),
        fk_clause=True,
    ),
    domain(
        "bird_watching",
        table(
            "bird_species",
            "bird",
            key("bird_id"),
            label("bird_name", mix("Red|Marsh|Snow|Forest|Little", "Owl|Heron|Falcon|Warbler|Finch|Plover"), "name"),
            text("habitat", "coast|forest|grassland|wetland"),
            number("wingspan", 15, 230, unit="cm"),
        ),
        table(
            "sighting",
            "sighting",
            key("sighting_id"),
            ref("bird_id", "bird_species", "of"),
            text("observer", "Alice Wong|Dan Frost|Mira Shah|Piet Visser", says="reported by {}"),
            date("seen_on", "2022-01-01", "2024-12-31", "sighting date", verb="made"),
            number("flock_size", 1, 60, "flock size", sums=True),
            text("sky", "cloudy|foggy|rainy|sunny", "sky condition", nulls=0.2),
        ),
        fk_clause=True,
    ),
)
