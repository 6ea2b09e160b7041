"""Schemas about buildings and building sites."""

from typing import Final

from text2sql_lightning.sample.domain import (
    Domain,
    count,
    date,
    domain,
    key,
    label,
    mix,
    number,
    ref,
    table,
    text,
    year,
)
from text2sql_lightning.sample.pools import CITIES, COUNTRIES, PEOPLE

DOMAINS: Final[tuple[Domain, ...]] = (
    domain(
        "building_sites",
        table(
            "contractor",
            "contractor",
            key("contractor_id"),
            label("company", mix("Adler|Bauer|Conti|Dahl|Ferrari", "Construction|Builders|Group|Sons"), "company name"),
            text("city", CITIES, says="from {}"),
            count("workers", 4, 900),
        ),
        table(
            "building_project",
            "project",
            key("project_id"),
            label(
                "title", mix("Harbor|Station|School|Museum|Bridge", "Renewal|Extension|Renovation|Tower|Repair|Quarter")
            ),
            text("phase", "construction|design|finished|planning"),
            number("cost", 40000, 9000000, sums=True, most="most expensive", least="cheapest"),
            date("deadline", "2024-01-01", "2028-12-31", "deadline"),
            ref("contractor_id", "contractor", "run by"),
        ),
    ),
    domain(
        "bridges",
        table(
            "bridge",
            "bridge",
            key("bridge_id"),
            label("name", mix("Iron|Old|Liberty|Queen's|Grand|Saint Ann", "Bridge|Crossing|Viaduct|Span|Arch|Link")),
            text("type", "arch|beam|cable-stayed|suspension"),
            text("country", COUNTRIES, says="in {}"),
            number(
                "length_m",
                40,
                3900,
                "length",
                unit="metres",
                most="longest",
                least="shortest",
                over="longer than {}",
                under="shorter than {}",
            ),
            year("opened", 1850, 2023, "opening year", verb="opened", most="newest", least="oldest"),
            count("lanes", 1, 10),
            number("toll", 1, 20, nulls=0.4),
        ),
    ),
    domain(
        "skyscrapers",
        table(
            "architect",
            "architect",
            key("architect_id"),
            label("name", PEOPLE, person=True),
            text("country", COUNTRIES, says="from {}"),
            count("prizes", 0, 15),
        ),
        table(
            "skyscraper",
            "skyscraper",
            key("tower_id"),
            label("name", mix("Atlas|Crystal|Empire|Horizon|Jade|Summit", "Tower|Center|Plaza|Spire|Point")),
            text("city", "Chicago|Dubai|Hong Kong|New York|Shanghai", says="in {}"),
            number(
                "height_m",
                150,
                830,
                "height",
                unit="metres",
                most="tallest",
                least="shortest",
                over="taller than {}",
                under="shorter than {}",
            ),
            count("floors", 30, 165),
            year("completed", 1970, 2024, "completion year", verb="completed", most="newest", least="oldest"),
            ref("architect_id", "architect", "designed by"),
        ),
        fk_clause=True,
    ),
    domain(
        "lighthouses",
        table(
            "lighthouse",
            "lighthouse",
            key("lighthouse_id"),
            label("name", mix("Gull|Seal|Storm|Anchor|Whale|Raven", "Point|Rock|Head|Island|Cliff|Reef")),
            text("country", COUNTRIES, says="in {}"),
            text("material", "brick|concrete|iron|stone", says="made of {}"),
            year("built", 1780, 1960, "construction year", verb="built", most="newest", least="oldest"),
            number(
                "height",
                8,
                72,
                unit="metres",
                most="tallest",
                least="shortest",
                over="taller than {}",
                under="shorter than {}",
            ),
            number("range_nm", 5, 28, "range", comment="range of the light in nautical miles"),
            year("closed", 1950, 2020, "closing year", verb="closed", nulls=0.5),
        ),
    ),
)
