from seedstep.novelty.bulk import (
    Decisions as Decisions,
    Nearest as Nearest,
    TellSettled as TellSettled,
    decide as decide,
    decide_on_ray as decide_on_ray,
    nearest_known as nearest_known,
    ray_cluster as ray_cluster,
)
from seedstep.novelty.calibration import MEANING_THRESHOLD as MEANING_THRESHOLD
from seedstep.novelty.index import (
    Contamination as Contamination,
    NoveltyIndex as NoveltyIndex,
)
from seedstep.novelty.meaning import (
    MeaningContamination as MeaningContamination,
    MeaningIndex as MeaningIndex,
    Vector as Vector,
    decide_by_meaning as decide_by_meaning,
    nearest_by_meaning as nearest_by_meaning,
    unit_rows as unit_rows,
)
from seedstep.novelty.records import (
    NamedText as NamedText,
    Neighbor as Neighbor,
    Overlap as Overlap,
    tell_nearness as tell_nearness,
)
from seedstep.novelty.texts import (
    IndexedTexts as IndexedTexts,
    TokenNumbers as TokenNumbers,
    encode as encode,
    ranks as ranks,
)
