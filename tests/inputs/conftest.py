from tests.frames import server
