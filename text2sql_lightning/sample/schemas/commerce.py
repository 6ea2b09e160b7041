"""Schemas about trade and rental."""

from typing import Final

from text2sql_lightning.sample.domain import (
    Bridge,
    Domain,
    count,
    date,
    domain,
    flag,
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
        "web_shop",
        table("customer", label("name", PEOPLE), text("city", CITIES, "in"), number("age", 18, 85)),
        table(
            "product",
            label("name", mix("Compact|Smart|Classic|Travel|Solar", "Lamp|Speaker|Kettle|Camera|Clock")),
            text("category", "audio|garden|kitchen|toys"),
            number("price", 5, 400),
        ),
        table(
            "purchase",
            ref("customer"),
            ref("product"),
            number("quantity", 1, 40, sums=True),
            bridge=Bridge("customer", "who bought", "product", "bought by"),
        ),
    ),
    domain(
        "warehouse",
        table(
            "supplier",
            label("name", mix("Atlas|Bluebird|Cobalt|Delta|Evergreen", "Trading|Supplies|Imports|Works")),
            text("country", COUNTRIES, "from"),
            number("rating", 1, 5, digits=1),
        ),
        table(
            "item",
            label("name", mix("Steel|Rubber|Copper|Plastic|Glass", "Pipe|Valve|Cable|Panel|Bolt|Sheet")),
            text("color", "black|blue|gray|white"),
            number("stock", 0, 600, sums=True),
            number("price", 1, 90),
            ref("supplier"),
        ),
    ),
    domain(
        "car_dealer",
        table(
            "car",
            label("model", mix("Astra|Corsa|Delta|Fiona|Luna|Nova|Terra", "City|Sport|Tour|Max|Cross")),
            text("color", "black|blue|green|red|silver|white"),
            text("fuel", "diesel|electric|hybrid|petrol"),
            year("year", 2005, 2024),
            number("price", 2500, 65000, sums=True),
            flag("sold"),
        ),
    ),
    domain(
        "car_rental",
        table(
            "vehicle",
            label("name", mix("Swift|Urban|Alpine|Coastal|Royal", "One|Two|Plus|Star")),
            text("brand", "Ford|Honda|Kia|Renault|Volvo"),
            count("seats", 2, 9),
        ),
        table(
            "rental",
            text("city", CITIES, "in"),
            date("start_date", 2023, 2024),
            count("days", 1, 30),
            number("price", 30, 900, sums=True),
            ref("vehicle"),
        ),
    ),
    domain(
        "houses",
        table(
            "house",
            text("district", "Hillside|Lakeview|Midtown|Oldtown|Parkside", "in"),
            text("type", "apartment|bungalow|cottage|villa"),
            number("area", 45, 420, "in square metres"),
            number("price", 90000, 950000, sums=True),
            year("year", 1900, 2023),
            count("rooms", 1, 12),
        ),
    ),
    domain(
        "auctions",
        table(
            "lot",
            label("title", mix("Antique|Persian|Victorian|Chinese|Gilded", "Chair|Carpet|Cabinet|Vase|Mirror|Clock")),
            text("category", "art|books|furniture|jewelry"),
            number("value", 50, 5000, sums=True),
        ),
        table(
            "bid",
            text("bidder", "Ashford|Brandt|Castillo|Dumont|Endo"),
            number("amount", 60, 9000, sums=True),
            date("bid_date", 2022, 2024),
            ref("lot"),
        ),
    ),
)
