"""Pictures as people have them."""

import io

from PIL import Image, ImageOps

ORIENTATION = 0x0112


def upright(image: bytes) -> bytes:
    """An encoded picture turned as its EXIF orientation says, which a model does not see.

    The bytes stay as they are if there is nothing to turn or they are no picture: what reads them says so.
    """
    try:
        with Image.open(io.BytesIO(image)) as picture:
            if picture.getexif().get(ORIENTATION, 1) == 1:
                return image
            turned = io.BytesIO()
            # A PNG of a phone's photo would be ten times as large, and knows no CMYK.
            ImageOps.exif_transpose(picture).convert("RGB").save(turned, "JPEG", quality=95)
            return turned.getvalue()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return image
