

def _hone_answers():
    import copy

    def answer(positional, named):
        try:
            return repr({function}(*copy.deepcopy(positional), **copy.deepcopy(named)))[:2000]
        except BaseException as error:
            return "raised " + type(error).__name__

    return [answer(positional, named) for positional, named in [
{inputs}    ]]


_hone_found = _hone_answers()
print({mark} + "\n".join(_hone_found))
