"""Every reader of boldglm, with the files that the fuzzer changes for it, and how to check it.

A reader either raises one of boldglm's errors or returns what the file holds: that is compared
with what an independent reader makes of the same bytes, or checked for being possible.
"""

from fuzz.atlas_readers import ATLASES
from fuzz.command_readers import COMMAND_LINES
from fuzz.image_readers import IMAGES
from fuzz.model_readers import MODELS
from fuzz.output_readers import OUTPUTS_OF_CALLS
from fuzz.table_readers import TABLES

READERS = {
    reader.name: reader
    for reader in (*IMAGES, *ATLASES, *TABLES, *MODELS, *OUTPUTS_OF_CALLS, *COMMAND_LINES)
}
