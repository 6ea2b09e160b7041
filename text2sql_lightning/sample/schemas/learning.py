"""Schemas about schools, science and health."""

from typing import Final

from text2sql_lightning.sample.domain import Bridge, Domain, count, date, domain, label, mix, number, ref, table, text
from text2sql_lightning.sample.pools import CITIES, COUNTRIES, PEOPLE

DOMAINS: Final[tuple[Domain, ...]] = (
    domain(
        "university",
        table(
            "student",
            label("name", PEOPLE),
            text("major", "biology|economics|history|law|physics"),
            number("age", 17, 40),
        ),
        table(
            "course",
            label(
                "title", mix("Modern|Applied|Advanced|General|Practical", "Algebra|Ethics|Genetics|Logic|Statistics")
            ),
            text("level", "basic|expert|medium"),
            count("credits", 2, 12),
        ),
        table(
            "enrollment",
            ref("student"),
            ref("course"),
            number("grade", 40, 100),
            bridge=Bridge("student", "enrolled in", "course", "taken by"),
        ),
        fk_clause=True,
    ),
    domain(
        "hospital",
        table(
            "doctor",
            label("name", PEOPLE),
            text("specialty", "cardiology|dermatology|neurology|surgery"),
            number("salary", 50000, 220000, sums=True),
        ),
        table(
            "patient",
            label("name", PEOPLE),
            text("disease", "allergy|asthma|flu|migraine"),
            number("age", 1, 95),
            date("visit_date", 2022, 2024),
            ref("doctor"),
        ),
    ),
    domain(
        "laboratory",
        table(
            "scientist",
            label("name", PEOPLE),
            text("field", "astronomy|biology|chemistry|physics"),
            text("country", COUNTRIES, "from"),
            number("age", 25, 70),
        ),
        table(
            "experiment",
            text("status", "finished|planned|running"),
            number("budget", 1000, 95000, sums=True),
            date("start_date", 2018, 2024),
            ref("scientist"),
        ),
    ),
    domain(
        "school",
        table(
            "instructor",
            label("name", PEOPLE),
            text("subject", "art|biology|chemistry|english|history|math"),
            number("age", 23, 66),
            number("salary", 28000, 82000, sums=True),
            date("hire_date", 1995, 2024),
            text("city", CITIES, "in"),
        ),
    ),
    domain(
        "language_school",
        table(
            "tutor",
            label("name", PEOPLE),
            text("language", "Arabic|French|German|Mandarin|Spanish"),
            number("price", 15, 70),
        ),
        table(
            "lesson",
            text("level", "A1|A2|B1|B2|C1"),
            date("lesson_date", 2022, 2024),
            number("duration", 30, 150, "in minutes", sums=True),
            number("rating", 1, 10, nulls=0.3),
            ref("tutor"),
        ),
    ),
    domain(
        "conference",
        table(
            "talk",
            label("title", mix("Fast|Safe|Simple|Open|Modern", "Databases|Networks|Robots|Compilers|Sensors|Graphs")),
            text("speaker", "Anna Berg|Ben Costa|Kenji Ito|Mei Lopez|Olga Novak"),
            text("topic", "cloud|data|hardware|security"),
            number("duration", 15, 90),
            count("seats", 30, 900),
            number("rating", 1, 5, digits=1),
        ),
    ),
)
