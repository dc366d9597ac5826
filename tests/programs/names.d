// Allocates 1404, 3404, 5404 and 7404 bytes in overloads, a method of a template and its constructor.
module names;

import core.stdc.stdlib;

class Shelf(T)
{
    void put(T) const { auto p = malloc(5404); }
    this(int n, string s) { auto p = malloc(7404); }
}

void* grab(int n) { return malloc(n); }
void* grab(string s) { return malloc(s.length + 1400); }

void main()
{
    auto shelf = new Shelf!int(3, "x");
    shelf.put(4);
    grab(3404);
    grab("abcd");
}
