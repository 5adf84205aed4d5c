from tests.frames import raw, served, server, shared
