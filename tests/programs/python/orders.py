"""Orders of items that come and go in rounds, beside a table: the same allocations in each run."""


def new_item(number):
    return [number * 1000 + i for i in range(number % 50 + 10)]


def new_order(number):
    return {f"item {i}": new_item(number + i) for i in range(16)}


def load_table(size):
    return bytearray(size)


def work():
    table = load_table(4 << 20)
    orders = []
    for _ in range(4):
        for number in range(400):
            orders.append(new_order(number))
        orders = orders[::4]
    print(len(orders), len(table))


work()
