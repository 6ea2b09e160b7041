"""Schemas about transport and places to go."""

from typing import Final

from text2sql_lightning.sample.domain import (
    Bridge,
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
from text2sql_lightning.sample.pools import COUNTRIES, PEOPLE

DOMAINS: Final[tuple[Domain, ...]] = (
    domain(
        "airlines",
        table(
            "airline",
            label("name", mix("Aero|Blue|Nordic|Pacific|Sun", "Wings|Jet|Airways|Express")),
            text("country", COUNTRIES, "from"),
            number("rating", 1, 5, digits=1),
        ),
        table(
            "flight",
            text("origin", "Berlin|Chicago|Lisbon|Madrid|Oslo"),
            text("destination", "Athens|Cairo|Delhi|Lima|Sydney|Tokyo"),
            number("distance", 400, 14000, "in km", sums=True),
            number("price", 60, 1800),
            ref("airline"),
        ),
    ),
    domain(
        "railway",
        table(
            "station",
            key(),
            label("name", mix("East|West|Upper|Lower|New", "Haven|Bridge|Field|Gate|Mill")),
            text("region", "Coast|Highlands|Lowlands|Valley", "in"),
            count("platforms", 1, 18),
        ),
        table(
            "train",
            key(),
            text("type", "express|freight|local|night"),
            number("speed", 80, 320, "in km/h"),
            number("capacity", 60, 900, sums=True),
            ref("station"),
        ),
    ),
    domain(
        "hotel",
        table(
            "guest",
            label("name", PEOPLE),
            text("country", COUNTRIES, "from"),
            text("level", "bronze|gold|silver", nulls=0.3),
        ),
        table(
            "room",
            label("name", mix("Blue|Green|Garden|Ocean|Royal", "Room|Suite|Studio|Loft")),
            text("type", "double|family|single"),
            number("price", 60, 420),
        ),
        table(
            "booking",
            ref("guest"),
            ref("room"),
            count("nights", 1, 14),
            bridge=Bridge("guest", "who booked", "room", "booked by"),
        ),
    ),
    domain(
        "bike_share",
        table(
            "bike_trip",
            text("station", "Castle|Harbor|Market|Museum|Park"),
            text("type", "city|cargo|electric"),
            number("distance", 1, 25, "in km", digits=1, sums=True),
            number("duration", 3, 180, "in minutes", sums=True),
            date("trip_date", 2022, 2024),
        ),
    ),
    domain(
        "shipping",
        table(
            "port",
            label("name", mix("Port|Cape|Bay", "Anders|Bello|Clarence|Dorado|Falk|Grande|Hansa")),
            text("country", COUNTRIES, "in"),
            number("depth", 5, 40),
        ),
        table(
            "ship",
            label("name", mix("Sea|Ocean|Northern|Iron", "Queen|Pearl|Falcon|Spirit|Dawn|Trader")),
            text("type", "cargo|cruise|fishing|tanker"),
            number("weight", 2000, 180000, "in tons", sums=True),
            year("year", 1980, 2023),
            ref("port"),
        ),
    ),
    domain(
        "parks",
        table(
            "park",
            label("name", mix("Eagle|Granite|Cedar|Misty|Copper|Bear", "Canyon|Peaks|Valley|Coast")),
            text("state", "Alaska|California|Montana|Oregon|Utah", "in"),
            number("area", 40, 9000, "in square km", sums=True),
            count("visitors", 500, 90000),
            year("opening_year", 1890, 2015),
            number("price", 5, 60),
        ),
    ),
    domain(
        "tours",
        table(
            "guide",
            label("name", PEOPLE),
            text("language", "Arabic|English|French|German|Spanish"),
            number("age", 20, 65),
        ),
        table(
            "tour",
            label("name", mix("Coastal|Desert|Mountain|Castle|Jungle|Island", "Adventure|Discovery|Escape|Classics")),
            text("country", COUNTRIES, "to"),
            count("days", 2, 21),
            number("price", 150, 4200),
            ref("guide"),
        ),
    ),
)
