"""Schemas about food, drink and where they come from."""

from typing import Final

from text2sql_lightning.sample.domain import Domain, count, domain, key, label, mix, number, ref, table, text, year
from text2sql_lightning.sample.pools import CITIES

DOMAINS: Final[tuple[Domain, ...]] = (
    domain(
        "restaurants",
        table(
            "restaurant",
            label("name", mix("Golden|Little|Old|Green|Royal", "Fork|Kitchen|Table|Lantern|Spoon")),
            text("city", CITIES, "in"),
            number("rating", 1, 5, digits=1),
        ),
        table(
            "dish",
            label("name", mix("Grilled|Spicy|Creamy|Roasted|Crispy", "Noodles|Salmon|Tofu|Lamb|Curry|Pasta|Duck")),
            text("category", "dessert|main|soup|starter"),
            number("price", 6, 48),
            number("weight", 100, 900),
            ref("restaurant"),
        ),
    ),
    domain(
        "food_trucks",
        table(
            "food_truck",
            label("name", mix("Taco|Burger|Waffle|Noodle|Curry|Falafel", "Express|Corner|Wagon|Heaven|Stop")),
            text("city", CITIES, "in"),
            text("food", "burgers|crepes|kebab|ramen|tacos"),
            number("price", 4, 30),
            number("rating", 1, 5, digits=1),
            year("year", 2010, 2024),
        ),
    ),
    domain(
        "wine_cellar",
        table(
            "winery",
            label("name", mix("Silver|Stone|Sunny|Old|Twin", "Hill|Creek|Barrel|Valley|Oaks")),
            text("region", "Bordeaux|Mosel|Rioja|Tuscany|Wachau", "in"),
            number("area", 5, 400),
        ),
        table(
            "wine",
            label("name", mix("Black|Golden|Noble|Velvet|Wild", "Rose|Stag|Moon|Falcon|Harvest|Crown")),
            text("grape", "Malbec|Merlot|Riesling|Syrah"),
            year("year", 1998, 2022),
            number("price", 8, 160),
            ref("winery"),
        ),
    ),
    domain(
        "bakery",
        table(
            "cake",
            label("name", mix("Lemon|Walnut|Cherry|Cocoa|Almond|Honey", "Dream|Slice|Crown|Roll|Delight|Tart")),
            text("flavor", "caramel|chocolate|fruit|nut|vanilla"),
            text("size", "large|medium|small"),
            number("price", 9, 65),
            number("weight", 300, 3200, "in grams"),
        ),
    ),
    domain(
        "coffee",
        table(
            "coffee",
            label("name", mix("Dark|Amber|Morning|Velvet|Royal|Bold", "Blend|Roast|Spirit|Cup|Crema")),
            text("country", "Brazil|Colombia|Ethiopia|Kenya|Vietnam", "from"),
            text("process", "honey|natural|washed"),
            number("price", 10, 80),
            number("score", 60, 95),
            text("flavor", "berry|caramel|chocolate|nut", nulls=0.3),
        ),
    ),
    domain(
        "recipes",
        table(
            "recipe",
            label("title", mix("Creamy|Smoky|Summer|Rustic|Spicy", "Soup|Stew|Salad|Pie|Risotto|Chili")),
            text("category", "dessert|main|side|starter"),
            number("duration", 10, 180, "in minutes"),
            count("calories", 100, 1200),
            text("author", "Anna Berg|Ben Costa|Laura Novak|Noah Kaya"),
            number("rating", 1, 5, digits=1),
        ),
    ),
    domain(
        "farming",
        table(
            "Farm",
            key("FarmId"),
            label("Name", mix("Sunny|Willow|Maple|Stone|Clear", "Acres|Fields|Meadows|Brook|Hollow")),
            text("Region", "East|North|South|West", "in"),
            number("Area", 5, 900),
        ),
        table(
            "Harvest",
            key("HarvestId"),
            text("Crop", "barley|corn|potatoes|soy|wheat"),
            year("Year", 2005, 2024),
            number("Weight", 3, 800, "in tons", sums=True),
            ref("Farm", "FarmId"),
        ),
    ),
)
