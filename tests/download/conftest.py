from tests.frames import served, server, shared
