(* OCaml 5: its code runs on stacks of its own, effects and their handlers on one each, and C on the system's: it allocates on all
   of them, in recursions, after exceptions and in a second domain. *)
open Effect
open Effect.Deep

type _ Effect.t += Yield : int -> int Effect.t

external allocate : int -> int = "allocate_in_c"

let rec descend n = if n = 0 then allocate 40 else 1 + descend (n - 1)

let rec worker depth =
  let got = perform (Yield depth) in
  let sum = descend (got mod 7) in
  if depth > 0 then sum + nested (depth - 1) else sum

and nested depth =
  match_with worker depth
    { retc = (fun value -> value + allocate 24);
      exnc = raise;
      effc = (fun (type a) (eff : a Effect.t) ->
        match eff with
        | Yield n -> Some (fun (k : (a, _) continuation) ->
            ignore (allocate 56);
            continue k (n + 1))
        | _ -> None) }

exception Found of int
let raises n = try ignore (descend n); raise (Found (allocate 72)) with Found m -> m + allocate 88

let () =
  let total = ref 0 in
  for n = 0 to 20 do total := !total + nested (n mod 6) + raises n done;
  let domain = Domain.spawn (fun () -> nested 5) in
  let big = Bigarray.Array1.create Bigarray.char Bigarray.c_layout 100_000 in
  Printf.printf "%d %d %d\n" !total (Domain.join domain) (Bigarray.Array1.dim big)
