"""Values that several schemas share."""

from typing import Final

from text2sql_lightning.sample.domain import mix

PEOPLE: Final = mix(
    "Anna|Ben|Carla|David|Elena|Farid|Grace|Hugo|Ines|Jonas|Kenji|Laura|Mei|Noah|Olga|Paul|Rosa|Samir|Tara|Victor",
    "Adams|Berg|Costa|Dubois|Eriksen|Fischer|Garcia|Haddad|Ito|Jensen|Kaya|Lopez|Moreau|Novak|Okafor|Patel|Rossi|Silva",
)
COUNTRIES: Final = "Brazil|Canada|France|Germany|India|Italy|Japan|Kenya|Mexico|Norway|Spain"
CITIES: Final = "Berlin|Chicago|Lisbon|Madrid|Oslo|Paris|Rome|Toronto|Vienna"
