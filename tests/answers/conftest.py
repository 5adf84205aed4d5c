from tests.answers.world import warnings
