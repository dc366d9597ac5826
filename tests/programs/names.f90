! Allocates 2004, 4004, 8004 and 12004 bytes: inside of the main program, in a module, outside of both, in it.
module shapes
contains
  subroutine area(n)
    integer :: n
    real, allocatable, save :: a(:)
    allocate(a(n))
  end subroutine
end module

subroutine outside(n)
  integer :: n
  real, allocatable, save :: b(:)
  allocate(b(n))
end subroutine

program demo
  use shapes
  real, allocatable, save :: c(:)
  allocate(c(3001))
  call area(1001)
  call outside(2001)
  call within(501)
contains
  subroutine within(n)
    integer :: n
    real, allocatable, save :: d(:)
    allocate(d(n))
  end subroutine
end program
