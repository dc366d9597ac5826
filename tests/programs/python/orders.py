"""Orders of items that come and go in rounds, beside a table: the same allocations in each run."""


def new_item(number):
    item = []
    for i in range(number % 50 + 10):
        item.append(number * 1000 + i)
    return item


def new_name(number):
    return f"item {number} of many"


def new_order(number):
    order = {}
    for i in range(16):
        order[new_name(i)] = new_item(number + i)
    return order


def work():
    table = bytearray(4 << 20)
    orders = []
    for _ in range(4):
        for number in range(100):
            orders.append(new_order(number))
        orders = orders[::4]
    print(len(orders), len(table))


work()
